# What git does before a commit, after a checkout and before a push:
# sh src/support/git_hook.sh NAME-OF-THE-HOOK ARGUMENTS-OF-GIT
name=$1
shift
# It would take git, and this script, to another folder.
unset CDPATH
cd "${0%/*}/../.." || exit
# In a part of a larger repository, what git says of itself is not true of this folder.
[ -e .git ] || unset $(git rev-parse --local-env-vars)
# With it, Python would not find the modules beside a script.
unset PYTHONSAFEPATH
# DVC is found in .venv even where no environment is activated, as in an IDE.
PATH="$PWD/.venv/bin:$PWD/.venv/Scripts:$PATH"
# Without DVC a commit or a checkout goes on. A push does not: git would point at data that nobody
# has.
for program in dvc python; do
    command -v $program >/dev/null && continue
    echo "$name: $program is not on PATH; activate the project's environment, or make it in .venv" >&2
    [ "$name" != pre-push ]
    exit
done
case $name in
pre-commit)
    # It tells what is not saved, and stops no commit, nor does a DVC that cannot run.
    dvc git-hook pre-commit "$@" || echo "pre-commit: DVC failed; the commit goes on" >&2
    exit 0
    ;;
post-checkout)
    if [ -e dvc.lock ]; then
        dvc git-hook post-checkout "$@" && exit
    else
        # Before the first run there is nothing of the stages. The last argument tells files from
        # branches, see https://git-scm.com/docs/githooks#_post_checkout
        [ "$3" = 1 ] || exit 0
        git ls-files -z -- "*.dvc" | xargs -0 dvc checkout --quiet 2>/dev/null && exit
    fi
    # DVC names below this what it would overwrite
    edited=$(dvc checkout 2>&1 </dev/null | sed -n "/unsaved files/{n;p;q;}")
    advice="\`dvc pull\` fetches the data of this commit"
    if [ -n "$edited" ]; then
        file=${edited#"$PWD/"}
        advice="$file was edited: \`dvc add $file\` keeps that, \`dvc checkout --force\` drops it"
    fi
    echo "post-checkout: $advice" >&2
    ;;
pre-push)
    # Not `dvc push`, which waits for minutes where nobody answers, takes a login page for success,
    # and uploads what the workspace needs, not what the commits need.
    python src/share.py check --pushed && exit
    echo "git pushed nothing: the data has to be on the DVC remote first. Mend it and push again." >&2
    exit 1
    ;;
esac
