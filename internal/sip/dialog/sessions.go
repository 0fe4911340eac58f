package dialog

import "sync"

// sessions finds a session by its local tag, which is ours and unique, so that one
// look-up serves all dialogs that a forked INVITE makes.
type sessions struct {
	shard [64]struct {
		mu   sync.RWMutex
		m    map[LocalTag]*Session
		most int // sessions that m has held at once
	}
}

// roomy is the number of sessions from which on the room of a shard is given back
// when it is empty: a map never shrinks.
const roomy = 32

func (t *sessions) init() {
	for i := range t.shard {
		t.shard[i].m = make(map[LocalTag]*Session)
	}
}

// index spreads the tags, which are random.
func (t *sessions) index(tag LocalTag) int { return int(tag % LocalTag(len(t.shard))) }

// find gives the session with that tag, as a message has it.
func (t *sessions) find(text string) (*Session, bool) {
	tag, ok := parseLocalTag(text)
	if !ok {
		return nil, false
	}
	s := &t.shard[t.index(tag)]
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.m[tag]
	return v, ok
}

func (t *sessions) add(tag LocalTag, v *Session) {
	s := &t.shard[t.index(tag)]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[tag] = v
	s.most = max(s.most, len(s.m))
}

func (t *sessions) remove(tag LocalTag) {
	s := &t.shard[t.index(tag)]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, tag)
	if len(s.m) == 0 && s.most > roomy {
		s.m, s.most = make(map[LocalTag]*Session), 0
	}
}

func (t *sessions) len() int {
	n := 0
	for i := range t.shard {
		t.shard[i].mu.RLock()
		n += len(t.shard[i].m)
		t.shard[i].mu.RUnlock()
	}
	return n
}
