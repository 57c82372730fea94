"""The plain arrays that the parts hand to one another: frames, hands, textures, truth."""
