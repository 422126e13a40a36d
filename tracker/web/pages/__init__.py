"""The pages: server-rendered, whole without scripts; what a job brings along is only ever text in them."""
