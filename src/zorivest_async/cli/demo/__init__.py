"""The demo: a journal is kept, closed, shown to be unreadable, reopened, and compared value by value."""
