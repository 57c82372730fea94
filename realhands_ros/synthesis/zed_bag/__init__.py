"""Bags that a ZED camera would have recorded, with the truth about the hands beside them."""
