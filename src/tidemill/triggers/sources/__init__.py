"""What is looked at now and then: branches of git repositories, files, and the sources of plug-ins."""
