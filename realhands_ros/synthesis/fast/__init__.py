"""The fast renderer: z-buffer and deferred shading in torch, on the CPU or a GPU."""
