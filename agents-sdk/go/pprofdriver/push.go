package pprofdriver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	mostWaiting = 8
	pushTimeout = 10 * time.Second
)

// A pusher ships windows, in order, on one goroutine that ends when there are none.
type pusher struct {
	config Config
	client http.Client

	mu      sync.Mutex
	name    string
	waiting []Window
	busy    chan struct{} // closed when none is left
}

func newPusher(config Config) *pusher {
	for _, it := range []struct {
		to       *string
		variable string
	}{{&config.ServerAddress, "PYROSCOPE_SERVER_ADDRESS"}, {&config.BasicAuthUser, "PYROSCOPE_BASIC_AUTH_USER"},
		{&config.BasicAuthPassword, "PYROSCOPE_BASIC_AUTH_PASSWORD"}, {&config.TenantID, "PYROSCOPE_TENANT_ID"}} {
		if *it.to == "" {
			*it.to = os.Getenv(it.variable)
		}
	}
	if config.ServerAddress == "" {
		config.ServerAddress = "http://localhost:4040"
	}
	return &pusher{config: config, name: config.ApplicationName, client: http.Client{Timeout: pushTimeout}}
}

func (p *pusher) named(names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range names {
		if name != "" {
			p.name = name
			return
		}
	}
}

// ship never waits; of more than a few that wait the oldest is dropped.
func (p *pusher) ship(window Window) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, window)
	if len(p.waiting) > mostWaiting {
		p.waiting = p.waiting[1:]
	}
	if p.busy == nil {
		p.busy = make(chan struct{})
		go p.run()
	}
}

func (p *pusher) run() {
	for {
		p.mu.Lock()
		if len(p.waiting) == 0 {
			close(p.busy)
			p.busy = nil
			p.mu.Unlock()
			return
		}
		window, name := p.waiting[0], p.name
		p.waiting = p.waiting[1:]
		p.mu.Unlock()
		p.hand(window, name)
	}
}

func (p *pusher) hand(window Window, name string) {
	defer func() { _ = recover() }() // of a callback; nothing panics into the application
	if p.config.OnWindow != nil {
		p.config.OnWindow(window)
		return
	}
	for range 2 {
		if retry := p.post(window, name); !retry {
			return
		}
		time.Sleep(time.Second)
	}
}

// wait tells whether all was shipped within that time.
func (p *pusher) wait(within time.Duration) bool {
	p.mu.Lock()
	busy := p.busy
	p.mu.Unlock()
	if busy == nil {
		return true
	}
	select {
	case <-busy:
		return true
	case <-time.After(within):
		return false
	}
}

func (p *pusher) post(window Window, name string) (retry bool) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("profile", "profile.pprof")
	if err != nil {
		return false
	}
	_, _ = part.Write(window.Pprof) // a buffer takes all
	_ = form.Close()
	query := url.Values{"name": {name + labels(window.Tags)}, "format": {"pprof"}, "spyName": {"gospy"},
		"from": {strconv.FormatInt(window.From.UnixNano(), 10)}, "until": {strconv.FormatInt(window.Until.UnixNano(), 10)},
		"sampleRate": {strconv.Itoa(window.Hz)}}
	where := strings.TrimSuffix(p.config.ServerAddress, "/") + "/ingest?" + query.Encode()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, where, &body)
	if err != nil {
		return false
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	if p.config.BasicAuthUser != "" {
		request.SetBasicAuth(p.config.BasicAuthUser, p.config.BasicAuthPassword)
	}
	if p.config.TenantID != "" {
		request.Header.Set("X-Scope-OrgID", p.config.TenantID)
	}
	answer, err := p.client.Do(request)
	if err != nil {
		return true
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16))
	_ = answer.Body.Close()
	return answer.StatusCode >= 500
}

func labels(tags map[string]string) string {
	var pairs []string
	for name, value := range tags {
		pairs = append(pairs, fmt.Sprintf("%s=%s", name, strings.Map(harmless, value)))
	}
	sort.Strings(pairs)
	return "{" + strings.Join(pairs, ",") + "}"
}

// harmless leaves out what ends a label in Pyroscope's names.
func harmless(r rune) rune {
	if strings.ContainsRune(`{},="`, r) {
		return '_'
	}
	return r
}

// tagsOf returns attributes under names that a label may have.
func tagsOf(attributes map[string]string) map[string]string {
	tags := map[string]string{}
	for name, value := range attributes {
		if value != "" {
			tags[strings.Map(func(r rune) rune {
				if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
					return r
				}
				return '_'
			}, name)] = value
		}
	}
	return tags
}
