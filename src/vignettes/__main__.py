"""The command line: `vignettes --help`."""

from vignettes.runtime.cli import main

if __name__ == "__main__":
    main()
