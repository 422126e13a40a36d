"""What every page has: the header, the banners, the partial updates, and the page of an error."""
