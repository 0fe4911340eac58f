package soak

import ("time";"fmt";"strings")

func (s *soak) dbg() {
	seen := map[int]bool{}
	until(patience, func() bool {
		for i, r := range s.all {
			if c := r.Snapshot(); !seen[i] && c.Over() {
				seen[i] = true
				if d := time.Since(s.began); d > 14*time.Second {
					fmt.Printf("call %d %v over %s %+v\n", i, i%2, d, c.Outcome)
					s.relay.ledger.mu.Lock()
for id, l := range tr { for _, x := range l { if strings.Contains(x, fmt.Sprintf("sip:a%d@", i)) || strings.Contains(x, fmt.Sprintf("sip:b%d@", i)) || strings.Contains(x, fmt.Sprintf("sip:c%d@", i)) { fmt.Println(id); fmt.Println(strings.Join(l, "\n")); break } } }
s.relay.ledger.mu.Unlock()
				}
			} 
		}
		return s.server.engine.Len() == 0
	})
}
