"""How workflows are carried out: decided by what is recorded, recorded before it is done.

spec      what is wanted (pure)
course    what is done, and what comes next (pure)
ledger    where progress is kept: the protocol, and plain memory
files     local files: there, and known by their content
lookups   finding again what a lost answer made
making    one thing made exactly once; what several use, once for all
stages    what each stage of a workflow does
runner    one step after another until the end
results   what a workflow amounts to
outcomes  what a batch tells of its workflows
owner     who has a journal
file      the journal's file: opened with care, written by one thread
"""
