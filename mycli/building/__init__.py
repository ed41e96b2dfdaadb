"""Images of the user's own: from what .mycli.yaml says to a tag in the stack's registry.

services.py, choice.py what is to be built, and which of it is to be run in
places.py, tracked.py  where it is in the work tree, and what git tracks there
inputs.py              exactly what goes in, and the tag that is a hash of it
staging.py             the same as a folder of its own, which is all that the build sees
builder.py, running.py Docker or Podman, and nothing left of them where we are interrupted
logins.py, registry.py the way into a registry, with a token that is left nowhere
images.py              one image: found, or built and pushed
"""
