"""Execution: intents in, signed orders out, fills back; the only process that holds a key.

Sans-I/O inside (order table, messages, state machine, reconciliation as functions of records), thin
asyncio at the edge (`gateway`, `rest`, `user_stream`, `process`). It decides no trade: it asks the
risk gate, sends, and tells the brain what became of it. Importing the package imports no kernel;
`aegis.execution.process` does.
"""
