package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"muster/client"
)

// exampleServer stands in for a Muster server.
func exampleServer() *httptest.Server {
	mux := http.NewServeMux()
	for path, text := range map[string]string{
		"/o/oauth/token":      `{"access_token":"t","token_type":"bearer","expires_in":43199}`,
		"/o/api/v3.7/devices": `{"next_token":"","devices":[{"device_id":"5f0c","status":"non_compliant","host_name":"lab-pc-07"}]}`,
		"/o/api/v3/devices/status_changed": `{"monitored_devices":[{"device_id":"5f0c","status":"non-compliant","device_name":"lab-pc-07"}],
			"deleted_devices":[{"device_id":"00aa"}]}`,
		"/o/api/v2/devices/0242ac110007/link_user": `{"result":0,"msg":"Device not found"}`,
	} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			var q struct{ Page int }
			if err := json.NewDecoder(r.Body).Decode(&q); err == nil && q.Page > 1 {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			io.WriteString(w, text)
		})
	}
	return httptest.NewServer(mux)
}

func Example() {
	server := exampleServer()
	defer server.Close()
	ctx := context.Background()
	c, err := client.New(server.URL, client.Options{ClientID: "id", ClientSecret: "secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for d, err := range c.AllDevices(ctx, client.DevicesQuery{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(d.ID, d.HostName, d.Status)
	}
	// Output: 5f0c lab-pc-07 non-compliant
}

func ExampleClient_AllChanges() {
	server := exampleServer()
	defer server.Close()
	c, err := client.New(server.URL, client.Options{ClientID: "id", ClientSecret: "secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for change, err := range c.AllChanges(context.Background(), client.ChangesQuery{Age: 10 * time.Minute}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(change.ID, change.Status)
	}
	// Output:
	// 5f0c non-compliant
	// 00aa removed
}

func ExampleIsNotFound() {
	server := exampleServer()
	defer server.Close()
	c, err := client.New(server.URL, client.Options{ClientID: "id", ClientSecret: "secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = c.LinkUser(context.Background(), "0242ac110007", client.LinkedUser{Username: "kari"})
	fmt.Println(client.IsNotFound(err))
	// Output: true
}
