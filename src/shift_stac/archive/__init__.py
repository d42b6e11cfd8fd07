"""What is published: in which order it is put there, planned, listed, checked and removed."""
