package soak

import ("time";"fmt")

func (s *soak) dbg() {
	seen := map[int]bool{}
	until(patience, func() bool {
		for i, r := range s.all {
			if c := r.Snapshot(); !seen[i] && c.Over() {
				seen[i] = true
				if d := time.Since(s.began); d > 14*time.Second {
					fmt.Printf("call %d %v over %s %+v\n", i, i%2, d, c.Outcome)
					for _, row := range c.Rows { fmt.Printf("   %+v\n", row) }
				}
			} 
		}
		return s.server.engine.Len() == 0
	})
}
