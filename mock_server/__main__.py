"""`python -m mock_server`: the same as the console script `telnyx-ai-mock`."""

from mock_server.cli import main

if __name__ == "__main__":
    main()
