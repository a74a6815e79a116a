"""What the demo needs beside the controller: a profile receiver. No part of serving."""
