"""What `vignettes doctor` looks at: one small file for each part of an installation."""
