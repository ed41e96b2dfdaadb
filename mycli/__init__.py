"""Run any command, in any Docker image, on any git repository, in your own AWS account."""
