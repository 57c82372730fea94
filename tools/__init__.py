"""What made the shipped assets; not part of the installed package."""
