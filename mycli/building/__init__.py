"""Images of the user's own: from what .mycli.yaml says to a tag in the stack's registry.

services.py   what is to be built
inputs.py     exactly what goes in, and the tag that is a hash of it
staging.py    the same as a folder of its own, which is all that the build sees
builder.py    Docker or Podman
registry.py   the way into the stack's registry, with a token that is left nowhere
images.py     one image after the other
"""
