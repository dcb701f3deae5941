"""What starting, calling and storing costs, beside the bars that it must not pass: `make bench`."""
