"""What others, or simpler means, get out of the same images; each is a Method of methods.py."""
