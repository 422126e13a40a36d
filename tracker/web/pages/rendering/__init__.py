"""The parts that pages are made of: templates, texts, labels, links, charts and timelines."""
