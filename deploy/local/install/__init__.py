"""What one machine needs beside Python packages: Debian packages, and the built page."""
