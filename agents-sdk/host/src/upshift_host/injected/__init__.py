"""What `upshift-agent exec` puts into an application. `sitecustomize` is loaded by Python itself.

It runs in somebody else's interpreter, of whatever version: the standard library only, and whatever
goes wrong is told in one line and costs the application nothing.
"""
