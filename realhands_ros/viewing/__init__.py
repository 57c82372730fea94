"""Drawing for people: hands over pictures and videos, scenes for the Rerun viewer."""
