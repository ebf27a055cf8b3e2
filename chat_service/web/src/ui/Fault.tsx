/** The page has loaded, but the chat service does not answer. */
export function Fault({ again }: { again: () => void }) {
  return (
    <main className="gate">
      <div className="card">
        <h1>The service is not responding</h1>
        <p>It may be starting, or this device may be offline.</p>
        <button className="button" onClick={again}>
          Try again
        </button>
      </div>
    </main>
  );
}
