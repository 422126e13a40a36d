"""The secrets of the configuration: values that no representation shows, and the references that they are read by."""
