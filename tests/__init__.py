import os

# No test needs the network, so none may wait for it. Read when transformers is imported, hence here, before all tests.
os.environ["HF_HUB_OFFLINE"] = "1"
