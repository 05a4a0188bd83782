//! Plugins: from a file in a directory to code that runs.
