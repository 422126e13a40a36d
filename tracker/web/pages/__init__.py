"""The pages: server-rendered, complete without scripts; values of a job are only ever text in them."""
