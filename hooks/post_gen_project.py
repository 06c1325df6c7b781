"""Turn the rendered files into a git and DVC project with one commit, by set_up.py."""

import json
import sys

# The answers enter as data: as JSON they cannot close the string or escape from it.
PLAN = json.loads(
    r"""
<< cookiecutter | plan | tojson >>
"""
)

if __name__ == "__main__":
    # cookiecutter runs a copy of this file, with the project as the working directory.
    sys.path.insert(0, PLAN["template"])
    from set_up import set_up

    set_up(PLAN["answers"], PLAN["remote"], PLAN["table"])
