"""Every shipped feature on hand-made rows, with the numbers worked out by hand."""
