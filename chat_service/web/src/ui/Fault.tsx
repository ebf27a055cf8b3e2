/** The page is here, and the service behind it is not. */
export function Fault({ again }: { again: () => void }) {
  return (
    <main className="gate">
      <div className="card">
        <h1>The service does not answer</h1>
        <p>It may be starting, or this device may be offline.</p>
        <button className="button" onClick={again}>
          Try again
        </button>
      </div>
    </main>
  );
}
