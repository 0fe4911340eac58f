package digest

import (
	"container/list"
	"slices"
	"strings"
	"sync"
)

const (
	defaultCacheSize = 1024
	// maxRealms is how many realms one account can have at one host, and how many can challenge one request: a chain of proxies is
	// shorter, and somebody who sends a new realm each time gets no further.
	maxRealms = 4
	// maxRecent is how many nonces of a realm are remembered at once. Servers that make nonces from the time of day give the same one
	// to requests that run side by side, and answers can overtake each other: the count must go on for each.
	maxRecent = 4
)

// Cache remembers the last nonces of each realm, by host that was asked, username, realm, and role (proxy or server), so that the next
// request carries credentials at once. It holds no secret. It is bounded: the realm that was not used for the longest time goes first.
// Safe for concurrent use.
type Cache struct {
	mu       sync.Mutex
	limit    int
	order    *list.List // of *entry, the one used last in front
	accounts map[account][]*list.Element
}

type account struct{ host, username string }

// entry is one realm of an account. recent is never empty; its last element is the nonce to use next.
type entry struct {
	account account
	realm   string
	role    role
	recent  []*nonce
}

// NewCache makes a cache of at most limit realms. Zero or less means 1024.
func NewCache(limit int) *Cache {
	if limit <= 0 {
		limit = defaultCacheSize
	}
	return &Cache{limit: limit, order: list.New(), accounts: make(map[account][]*list.Element)}
}

func newAccount(host, username string) account {
	return account{host: strings.ToLower(host), username: username}
}

// Len is the number of realms in the cache.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}

// each calls yield with the nonce to use for each realm of an account. yield must not call the cache.
func (c *Cache) each(a account, yield func(role, *nonce)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, el := range c.accounts[a] {
		e := el.Value.(*entry) //nolint:forcetypeassert // The list holds nothing else.
		c.order.MoveToFront(el)
		yield(e.role, e.recent[len(e.recent)-1])
	}
}

// remember makes an offered nonce the one to use for its realm, and gives it back with its count.
func (c *Cache) remember(a account, o offer) *nonce {
	c.mu.Lock()
	defer c.mu.Unlock()
	el := c.find(a, o.role, o.challenge.Realm)
	if el == nil {
		n := newNonce(o)
		c.insert(&entry{account: a, realm: n.challenge.Realm, role: o.role, recent: []*nonce{n}})
		return n
	}
	c.order.MoveToFront(el)
	return el.Value.(*entry).use(o) //nolint:forcetypeassert // The list holds nothing else.
}

// forget drops a realm, so that the next request asks for a challenge first.
func (c *Cache) forget(a account, r role, realm string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el := c.find(a, r, realm); el != nil {
		c.remove(el)
	}
}

func (c *Cache) find(a account, r role, realm string) *list.Element {
	for _, el := range c.accounts[a] {
		if e := el.Value.(*entry); e.role == r && e.realm == realm { //nolint:forcetypeassert // As above.
			return el
		}
	}
	return nil
}

func (c *Cache) insert(e *entry) {
	if of := c.accounts[e.account]; len(of) >= maxRealms {
		c.remove(of[0])
	}
	c.accounts[e.account] = append(c.accounts[e.account], c.order.PushFront(e))
	if c.order.Len() > c.limit {
		c.remove(c.order.Back())
	}
}

func (c *Cache) remove(el *list.Element) {
	e := c.order.Remove(el).(*entry) //nolint:forcetypeassert // As above.
	of := c.accounts[e.account]
	if len(of) == 1 {
		delete(c.accounts, e.account)
		return
	}
	c.accounts[e.account] = slices.DeleteFunc(of, func(x *list.Element) bool { return x == el })
}

// use finds the offered nonce among the recent ones, or adds it, and puts it last.
func (e *entry) use(o offer) *nonce {
	i := slices.IndexFunc(e.recent, func(n *nonce) bool { return n.matches(o) })
	var n *nonce
	switch {
	case i >= 0:
		n = e.recent[i]
		e.recent = slices.Delete(e.recent, i, i+1)
	case len(e.recent) == maxRecent:
		n = newNonce(o)
		e.recent = slices.Delete(e.recent, 0, 1)
	default:
		n = newNonce(o)
	}
	e.recent = append(e.recent, n)
	return n
}
