"""The user's own skin on the user's own hand: atlas, personal shape, profile."""
