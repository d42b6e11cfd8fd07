"""What people see of a line before they open it: quicklooks, and an overview on the map."""
