"""From the files of a data set, as its users have them, to verified shards for training.

A layout ([`layouts`]) lists what there is and what is missing; a plan ([`plan`]) divides it into shards; an engine ([`engines`])
makes them, each for itself ([`shards`]) of prepared clips ([`clips`]); the manifest ([`manifest`]) says what came of it, and
[`verification`] reads it all again.
"""
