"""Scripts for the peers' own environments; nothing here is imported by the project."""
