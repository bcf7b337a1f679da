"""Audits of finished questions: shortcuts, leaks, repeats and imbalance, with the number of rows and an interval beside every share.

report.audit(dataset)       every audit over any dataset in our schema, ours or not: what `cpqa audit` prints
findings.findings(report)   what stands out in its report, worst first, and what to do about it
tables.render(report)       its report as tables
shortcut.TextShortcut       which questions a text model answers from the words alone
endpoint.text_model         such a model, from the options of a command line
"""
