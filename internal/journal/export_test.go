package journal

// BreakAhead has every write to the files ahead of the log fail from now on.
func (j *Journal) BreakAhead() { _ = j.ahead.Close() }
