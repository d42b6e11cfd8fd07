"""Where an archive lies: a folder or an S3 bucket."""
