"""The parameters of the system: tables, files, and the stages' configurations."""
