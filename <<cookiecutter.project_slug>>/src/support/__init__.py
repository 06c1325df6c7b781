"""What serves the stages: seldom edited, and imports nothing from the folder above."""
