"""OUT.html: a reconstruction in 3D over its stack, with the review list; one file that a browser opens offline."""

from neurorecon.page.page import write_page

__all__ = ["write_page"]
