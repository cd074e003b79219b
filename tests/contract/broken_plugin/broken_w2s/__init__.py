"""Components that break one contract each, to show that the tests find out."""
