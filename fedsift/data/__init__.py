"""Clients' data: the protocol every data set follows, and ways to make one."""
