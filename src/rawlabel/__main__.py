"""`python -m rawlabel`, which `torchrun -m rawlabel` needs as well."""

from rawlabel.cli.command import main

if __name__ == "__main__":
    main()
