"""The Elastic bridge: stands before APM Server, and puts a frequency into what agents poll for.
`polls` and `merging` are pure."""
