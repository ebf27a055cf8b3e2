"""The figures, a file for each subject; each function measures one and gives its lines."""
