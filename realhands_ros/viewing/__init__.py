"""What people look at: hands drawn over pictures, and scenes for the Rerun viewer."""
