"""What the service does in a second, beside an alternative and the limit of the machine, in one run."""
