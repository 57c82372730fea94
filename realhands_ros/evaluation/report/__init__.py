"""One self-contained HTML file about a result, and the plots in it."""
